from pathlib import Path

from setuptools import find_packages, setup

PACKAGES = [
    "opentracing",
    "opentracing.ext",
    "opentracing.harness",
    "opentracing.mocktracer",
    "opentracing.scope_managers",
    "opentracing_recorder",
]

HTTP = ["urllib3>=2"]
# Not in the one above: there are no wheels for builds without the GIL, nor for some platforms, and
# no marker can name these builds. Without orjson, the standard library's json does the same.
ORJSON = ["orjson>=3.9; platform_python_implementation == 'CPython'"]
KAFKA = ["confluent-kafka>=2.4"]
PROMETHEUS = ["prometheus-client>=0.20"]

TESTS = [
    "pytest>=8.4",  # earlier ones may not find the modules that tests share
    "pytest-asyncio>=0.24; sys_platform != 'emscripten'",
    "pytest-xdist>=3; sys_platform != 'emscripten'",
    "anyio>=4",
    "hypothesis>=6",
    "freezegun>=1.2",
    *HTTP,
    *ORJSON,
    *PROMETHEUS,
    # There are no wheels for PyPy.
    "confluent-kafka>=2.4; platform_python_implementation == 'CPython'"
    " and sys_platform != 'emscripten'",
    "jsonschema>=4.18; sys_platform != 'emscripten'",
    "gevent; platform_python_implementation == 'CPython' and sys_platform != 'emscripten'",
    "numpy; platform_python_implementation == 'CPython' and sys_platform != 'emscripten'",
    "tornado>=6; sys_platform != 'emscripten'",
    "opentelemetry-sdk>=1.20; sys_platform != 'emscripten'",
    "opentelemetry-exporter-otlp-proto-http>=1.20; sys_platform != 'emscripten'",
]
# ruff's rules and layout change between minor versions.
DEV = [
    *TESTS,
    "mypy>=1.8",
    "pdoc>=15",
    "pyright[nodejs]>=1.1.350",
    "ruff==0.17.*",
    "types-opentracing==2.4.*",
    "types-six",
]

setup(
    name="opentracing",
    version="2.5.0",
    description="The OpenTracing platform API for Python, and its reference tracer",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The OpenTracing Authors",
    license="Apache-2.0",
    url="https://github.com/opentracing/opentracing-python",
    keywords=["opentracing", "tracing", "distributed tracing"],
    # `make test-all` looks for the Python versions listed here.
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
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
    packages=find_packages(include=PACKAGES),
    package_data={
        "opentracing": ["py.typed"],
        "opentracing_recorder": [
            "py.typed",
            "timeline.css",
            "timeline.html",
            "timeline.js",
            "timeline_axis.js",
            "timeline_details.js",
            "timeline_filter.js",
            "timeline_list.js",
            "timeline_map.js",
            "timeline_model.js",
            "timeline_paths.js",
            "timeline_tip.js",
            "_command_run_site/sitecustomize.py",
        ],
    },
    # By the module's own name, which `-p` takes where plugins are not found: else pytest could not
    # tell that both are one.
    entry_points={
        "pytest11": ["opentracing_recorder.pytest_plugin = opentracing_recorder.pytest_plugin"],
        "opentelemetry_configurator": [
            "opentracing = opentracing_recorder.environment:Configurator"
        ],
        "opentelemetry_tracer_provider": [
            "opentracing = opentracing_recorder.environment:provider_from_environment"
        ],
    },
    # Earlier versions of six cannot be imported on Python 3.12.
    install_requires=["six>=1.16,<2"],
    extras_require={
        "gevent": ["gevent>=22.10"],
        "tornado": ["tornado>=4.5"],
        "kafka": KAFKA,
        "otlp": HTTP,
        "prometheus": PROMETHEUS,
        "zipkin": HTTP,
        "orjson": ORJSON,
        "opentelemetry": ["opentelemetry-sdk>=1.20"],
        "opentelemetry-api": ["opentelemetry-api>=1.20"],
        "tests": TESTS,
        "dev": DEV,
    },
    zip_safe=False,
)
