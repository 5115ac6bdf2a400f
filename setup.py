from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

TESTS = ["pytest>=7", "hypothesis>=6"]

setup(
    name="opentracing",
    version="2.5.0",
    description="The OpenTracing platform API for Python, and its reference tracer",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The OpenTracing Authors",
    license="Apache-2.0",
    url="https://github.com/opentracing/opentracing-python",
    keywords=["opentracing", "tracing", "distributed tracing"],
    # The Python versions listed here are also those that `make test-all` looks for.
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Programming Language :: Python :: Implementation :: CPython",
        "Programming Language :: Python :: Implementation :: PyPy",
        "Topic :: Software Development :: Libraries :: Python Modules",
        "Topic :: System :: Monitoring",
        "Typing :: Typed",
    ],
    python_requires=">=3.9",
    packages=find_packages(include=["opentracing*"], exclude=["tests*"]),
    package_data={"opentracing": ["py.typed"], "opentracing_recorder": ["py.typed"]},
    install_requires=["six>=1.16,<2"],
    extras_require={
        "tests": TESTS,
        "dev": [*TESTS, "mypy>=1.8", "pyright[nodejs]>=1.1.350", "ruff>=0.5", "types-six"],
    },
    zip_safe=False,
)
