"""Keys and texts that may hold a secret: the default set of `Redaction`.

A search takes time linear in the text: each repetition is bounded, or ends where the next search
begins.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable

from opentracing.interrupts import reraise_interrupt

KEPT, COUNTED, SUSPECT = range(3)
"""The kinds of keys. Under one that is `COUNTED`, such as ``max_tokens``, numbers are kept."""

# Keys. Words are joined by any of these, or by nothing.

_JOINT = "[-_. ]?"

# These may also end a longer word, as in `dbpassword` and `csrftoken`.
_ENDINGS = (
    "password", "passwort", "passwd", "passphrase", "passcode", "secret", "authorization", "cookie",
    "credential", "token", "api key", "access key", "private key", "secret key", "signing key",
    "encryption key", "sessionid", "sessid",
)  # fmt: skip
_WORDS = (
    "pwd", "jwt", "csrf", "xsrf", "pin", "otp", "cvv", "cvv2", "cvc", "cvc2", "ssn", "connect sid",
    "session key", "account key", "shared key", "auth key", "card number", "card no", "credit card",
    "debit card", "access key id", "amz signature", "amz credential", "goog signature",
)  # fmt: skip
# OpenTelemetry's `session.id`, which is not in the first group because of its dot, is no secret.
_EXACT = (r"session[-_ ]id", r"auth(?=$)")
# A key that ends with one of these is about a secret, and holds none.
_ABOUT = (
    "at|age|algorithm|arn|audience|banner|consent|counter|date|domain|duration|enabled"
    "|endpoint|error|errors|expired|expires|expires in|expires at|expiration|expiry|format|index"
    "|invalid|issuer|kind|length|lifetime|limit|limits|max age|method|missing|name|names|path"
    "|per second|policy|position|present|provider|rate|required|reset|result|role|scheme|scope"
    "|scopes|size|source|state|status|strength|time|ttl|type|types|uri|url|used|valid|version"
).replace(" ", _JOINT)
# A word begins behind anything but a letter, or with a capital, as in `dbPwd`.
_START = r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z]))"


def _phrase(words: str) -> list[str]:
    """The characters of words in a key, as patterns."""
    atoms: list[str] = []
    for part in re.split("[-_. ]+", words.strip()):
        atoms += [_JOINT] * bool(atoms and part) + list(map(re.escape, part))
    return atoms


def _any_of(phrases: Iterable[str]) -> str:
    """A pattern for any of these, in which no two alternatives have the same beginning."""
    tree: dict[str, dict] = {}  # type: ignore[type-arg]
    for phrase in phrases:
        branch = tree
        for atom in _phrase(phrase):
            branch = branch.setdefault(atom, {})
        branch[""] = {}
    return _pattern(tree)


def _pattern(tree: dict[str, dict]) -> str:  # type: ignore[type-arg]
    longest_first = [atom + _pattern(tree[atom]) for atom in tree if atom] + [""] * ("" in tree)
    return longest_first[0] if len(longest_first) == 1 else f"(?:{'|'.join(longest_first)})"


class Suspects:
    """Finds what may hold a secret, in keys and in texts."""

    def __init__(self, keys: Iterable[str], kept_keys: Iterable[str], defaults: bool) -> None:
        words = [*keys, *(_WORDS if defaults else ())]
        found = [rf"{_START}(?i:{_any_of(words)})"] if words else []
        hints = [each.lower() for each in words]
        if defaults:
            found = [f"(?i:{_any_of(_ENDINGS)})", *found]
            found += [f"{_START}(?i:{each})" for each in _EXACT]
            hints += [*_ENDINGS, "session id", "auth"]
        # A lower-case letter behind it makes another word of it, such as `tokenizer`.
        self._in_key = re.compile(
            rf"(?:{'|'.join(found) or '(?!)'})(?P<plural>[sS]?)(?![a-z])"
            # Nor do capitals behind some, as in `PING` and `TOKENIZERS`.
            r"(?!(?<=PIN)[GKNET]|(?<=TOKEN)I[ZS])"
            rf"(?!{_JOINT}(?i:counts?(?![a-z])|usage(?![a-z])|(?:{_ABOUT})$))"
        )
        self._hint = re.compile(_any_of(hints) if hints else "(?!)")
        gate = [*hints, *(_SECRET_STARTS if defaults else ())]
        self._gate = re.compile(_any_of(gate) if gate else "(?!)")
        self._kept = {key.lower() for key in kept_keys}
        self._kinds: dict[str, int] = {}
        self._defaults = defaults

    def kind_of(self, key: str) -> int:
        """`KEPT`, `COUNTED` or `SUSPECT`."""
        kind = self._kinds.get(key)
        if kind is None:
            kinds = [
                COUNTED if found[0].lower() == "tokens" else SUSPECT
                for found in self._in_key.finditer(key)
            ]
            kind = KEPT if key.lower() in self._kept else max(kinds, default=KEPT)
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            if len(key) <= _LONGEST_KEY:
                self._kinds[key] = kind
        return kind

    def are_in(self, text: str) -> bool:
        """Whether a text has a key with a value, or anything else that looks like a secret."""
        return self.may_be_in(text) and self.are_found_in(text)

    def may_be_in(self, text: str) -> bool:
        """Whether a text needs a closer search, as few do.

        The answer is the same for all digits in the place of others, unless a word has one.
        """
        return (
            self._gate.search(text.lower()) is not None
            or ("@" in text and ("://" in text or ":\\/" in text))
            or (self._defaults and _LONG_NUMBER.search(text) is not None)
        )

    def are_found_in(self, text: str) -> bool:
        """The closer search."""
        if self._defaults and any(map(_is_secret, _SECRETS.finditer(text))):
            return True
        if _SIGN.search(text):
            lower = text.lower()
            shown = text if len(lower) == len(text) else lower
            if any(self._has_value(shown, hint) for hint in self._hint.finditer(lower)):
                return True
        return self._defaults and _LONG_NUMBER.search(text) is not None and has_card_number(text)

    def _has_value(self, text: str, hint: re.Match[str]) -> bool:
        """Whether a word in a text is one of a suspicious key that has a value."""
        start, end = hint.span()
        opened = text.rfind("<", max(0, start - 40), start)
        if opened >= 0:
            element = _ELEMENT.match(text, opened)
            if element is not None and self._names(element["key"], element["shown"]):
                return True
        found, named = _AFTER.match(text, end), _NAMED.match(text, end)
        if found is None and named is None:
            return False
        first = max(0, start - _LONGEST_KEY)
        while start > first and (text[start - 1].isalnum() or text[start - 1] in "_-."):
            start -= 1
        # The end of what is escaped before the key, as in `%3Ftoken` and `\\ntoken`.
        escaped = _ESCAPE_BEFORE.match(text, max(0, start - 1))
        if escaped is not None and start < escaped.end() <= hint.start():
            start = escaped.end()
        before = text[max(0, start - 16) : start]
        if named is not None and _NAME_BEFORE.search(before):
            return self._names(text[start : named.end("rest")], named["shown"])
        if found is None:
            return False
        key = text[start : found.end("rest")]
        kind = self.kind_of(key.lstrip("-."))
        sign, quote, shown = found["sign"], found["quote"], found["shown"]
        if (
            kind == KEPT
            or sign == ">"
            or (kind == COUNTED and _COUNT.match(shown))
            or (sign == "," and not (quote and found["close"] and _OPEN.search(before)))  # a pair
            # Of a command line, or of SQL.
            or (sign.isspace() and not (key.startswith("--") or (quote and _WITH.search(before))))
            or (key.lower() == "token" and _PARSED.search(before))
        ):
            return False
        if quote:
            return not (_NO_TEXT.match(shown) or (sign == "," and not _PAIR.match(shown)))
        if _NO_VALUE.match(shown):
            return False
        name = _NAME.match(shown)
        if name is not None and found.end("sign") < found.start("shown"):
            if sign == ":" and _PROSE.match(shown):
                return False
            if "." in name[0] and self.kind_of(name[0]) == SUSPECT:  # a column of SQL
                return False
        # A number is a secret in a line of source code, too.
        return bool(_DIGITS.match(shown)) or not _is_source(text, start)

    def _names(self, key: str, shown: str) -> bool:
        """Whether this value, which stands apart from its key, is a secret."""
        kind = self.kind_of(key)
        if kind == KEPT or (kind == COUNTED and _COUNT.match(shown)):
            return False
        return not _NO_VALUE.match(shown)


_LONGEST_KEY = 100
_MOST_KINDS = 4000

_SIGN = re.compile("[=:>,%']|--")
_AFTER = re.compile(
    r"(?P<rest>[\w.-]{0,60})(?:\]|%5[Dd])?(?:(?:\[|%5[Bb])\w{0,20}(?:\]|%5[Dd]))?"
    r"(?P<close>\\{0,3}[\"']|%2[27])?[\s)]{0,4}"
    r"(?P<sign>={1,3}>?|:(?!//)=?|>|,|%3[ADad]|[ \t])\s{0,8}(?:b(?=[\"']))?"
    r"(?P<quote>\\{0,3}[\"']|%2[27])?(?P<shown>.{0,100})",
    re.DOTALL,
)
# The name and the value are apart: XML elements, parts of a form, `"name": ..., "value": ...`.
_ELEMENT = re.compile(
    r"<(?:\w{1,20}:)?(?P<key>[\w.-]{1,60})(?:\s[^<>]{0,300})?(?<!/)>\s{0,8}(?:<!\[CDATA\[)?"
    r"(?P<shown>[^<\s].{0,100})",
    re.DOTALL,
)
_NAMED = re.compile(
    r"(?P<rest>[\w.-]{0,60})\]?\\{0,3}[\"'](?:(?:\r?\n|\\r\\n){2}"
    r"|,?\s{1,8}\\{0,3}[\"']?[Vv]alue\\{0,3}[\"']?\s?[:=]\s?\\{0,3}[\"']?)"
    r"(?P<shown>[^\s\"'\\].{0,100})",
    re.DOTALL,
)
_NAME_BEFORE = re.compile(r"(?i:name|key)\\{0,3}[\"']?\s?[:=]\s?\\{0,3}[\"'](?:\w{1,9}\[)?\Z")
_ESCAPE_BEFORE = re.compile(r"%[0-9A-Fa-f]{2}|\\[nrt]")
# Whether a text ends here: what stands before it is a placeholder, and not the start of a secret.
_END = r"(?=[.!?]?(?:[\s,;&)}\]\[<>|\"'`\\]|::|%(?:2[0267Cc]|3[BEbe]|5[Dd]|7[Dd])|\Z))"
_MASK = r"\W?(?i:redacted|filtered|hidden|masked|removed)\b|\*+|x{3,}\b"
_HIDDEN = (
    r"(?:\W?(?i:redacted|filtered|hidden|masked|removed)\W?|\*+|x{3,}"
    r"|[\[<({](?i:secure|secret|scrubbed|omitted|sanitized)\b[^\])}>\n]{0,60}[\])}>])"
)
# Behind a quote, and without one: nothing, a placeholder, or what something else has replaced.
_NO_TEXT = re.compile(
    r"(?:(?i:none|null|true|false|string)|[$%]?[{(]{1,2}\w*[})]{1,2}|%s|\?|" + _HIDDEN + r")?"
    r"(?:\\{0,3}[\"']|%2[27]|\Z)"
)
_NO_VALUE = re.compile(
    r"[\s,;&)}\]<]|\|(?![-+]?\s*\n)|\Z|\{\{|[{(\[]\s*[})\]]"
    r"|(?:\?|%s|%\(\w+\)s|[$:@]\d{1,3}|\{\w*\}|\.\.\."
    r"|[:@$]\{?(?i:p\d{1,3}|param\w*|\w{0,20}(?:passw|secret|token|key|cookie|auth|cred|pwd)\w*)\}?"
    r"|\w{1,20}\((?:\?|%s|%\(\w+\)s|[$:@]\w{1,40})\)|Secret(?:Str|Bytes)\(b?'\**'\)"
    r"|" + _HIDDEN + ")" + _END + r"|(?i:none|null|nil|undefined|true|false|yes|no|string|id|str"
    r"|varchar|optional)" + _END + r"(?!\s*=\s*[\"'])"
)
_COUNT = re.compile(r"[-\d.,]+(?![\w-])|[Nn]one|null|[Tt]rue|[Ff]alse")
_NAME = re.compile(r"[A-Za-z_'][\w.']*")
_OPEN = re.compile(r"(?:(?:\A|[\[({,=:]\s?)\(|\[\[|\], ?\[)b?[\"']\Z")
_PAIR = re.compile(r"[^\"']*(?:[\"'] ?[)\]]|\Z)")
_WITH = re.compile(r"\b(?i:with|encrypted)\s\Z")
_DIGITS = re.compile(r"\d{3}")
# Behind the colon of a message, no secret begins with one of these.
_PROSE = re.compile(
    r"(?i:an?|and|are|as|at|bad|be|by|can|can't|cannot|could|denied|did|does|doesn't|empty|error"
    r"|expected|expired|failed|failure|field|for|forbidden|format|from|got|had|has|have|if|illegal"
    r"|in|incorrect|invalid|is|isn't|it|its|length|malformed|may|mismatch|missing|must|no|not|of|ok"
    r"|on|or|permission|rejected|required|revoked|shall|should|that|the|this|to|too|unauthorized"
    r"|sent|signature|unexpected|unknown|unsupported|valid|value|verification|was|were|will|with"
    r"|wrong|you|your)[.,;:!?)\"]*(?:\s|\Z)"
)
# A parser's token.
_PARSED = re.compile(
    r"(?i:unexpected|expected|unknown|illegal|lookahead|unrecognized|unterminated)\W{1,3}\Z"
)


def _is_source(text: str, position: int) -> bool:
    """Whether this is in a line of source code that a stack shows: values have names there."""
    for line in reversed(text[max(0, position - 600) : position].split("\n")):
        code = line.lstrip(" |")
        if code.startswith('File "'):
            return True
        if len(line) - len(code) < 4:
            return False
    return False


# Secrets without a key. Each alternative begins with a letter of its own, which is fast.

_SECRETS = re.compile(
    "|".join(
        (
            *(
                first
                + r"(?i:earer)\s{1,4}(?!(?i:bearer|token|auth|authentication|authorization|realm"
                r"|scheme|error|format|header|is|was|not|or|and|of|for|in|with|from|has|to|the|required"
                r"|missing|invalid)(?![\w.~+/-]))"
                r"[\w.~+/=-]{4}"
                for first in "bB"
            ),
            *(first + r"(?i:asic)\s{1,4}[A-Za-z0-9+/_-]{6,400}" for first in "bB"),
            # A JSON web token, encrypted or of a session, too.
            r"eyJ(?:(?<![\w-]eyJ)|(?<=%[0-9A-F][0-9A-F]eyJ)|(?<=\\[nrt]eyJ))[\w-]{10,4000}"
            r"\.{1,2}[\w-]{6}",
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY",
            r"://[^\s/?@:]{0,200}:(?!(?:" + _MASK + r")\W?@)[^\s/?@]{1,200}@",
            r":\\/\\/[^\s/?@:]{0,200}:[^\s/?@]{1,200}@",
            r"%3[Aa]%2[Ff]%2[Ff][\w.-]{0,200}%3[Aa][^\s/?@&]{1,200}%40",
            r"\?(?i:sig|signature)=[^&\s]",
            r"&(?i:sig|signature)=[^&\s]",
            r"u0026(?i:sig|signature)=[^&\s]",
            r"hooks\.slack\.com/(?:services|workflows|triggers)/\w",
            r"xapp-\d-[\w-]{8}",
            r"npm_[A-Za-z0-9]{30}",
            r"hf_[A-Za-z0-9]{30}",
            r"SG\.[\w-]{20,24}\.[\w-]{10}",  # SendGrid
            r"ya29\.[\w-]{10}",
            r"whsec_\w{16}",
            r"A(?:KI|SI)A[A-Z0-9]{16}(?![A-Za-z0-9])",  # Amazon
            r"AIza[\w-]{30}",  # Google
            r"gh[opsru]_[A-Za-z0-9]{20}",
            r"github_pat_\w{20}",
            r"glpat-[\w-]{15}",
            r"xox[abeprs]-[\w-]{8}",  # Slack
            r"sk_(?:live|test)_\w{8}",  # Stripe
            r"rk_(?:live|test)_\w{8}",
            r"sk-(?<!\wsk-)(?:(?:ant|proj|svcacct)-[\w-]{10}|[A-Za-z0-9]{20})",
        )
    )
)


# Each of them holds one of these, in lower case, or is a URL. (A phrase's joints may be missing.)
# None has a digit but in an escape: see `may_be_in`.
_SECRET_STARTS = (
    "bearer", "basic", "eyj", "begin", "sig", "akia", "asia", "aiza", "ghp", "gho", "ghu", "ghs",
    "ghr", "github pat", "glpat", "xox", "sk live", "sk test", "rk live", "rk test", "sk ant",
    "sk proj", "sk svcacct", "sk-", "%40", "hooks.slack.com", "xapp", "npm", "hf", "sg", "ya",
    "whsec",
)  # fmt: skip


def _is_secret(found: re.Match[str]) -> bool:
    text = found[0]
    if text[:5].lower() != "basic":
        return True
    encoded = text[5:].lstrip()
    try:
        decoded = binascii.a2b_base64(encoded[: len(encoded) // 4 * 4])
    except binascii.Error:
        reraise_interrupt()
        return False
    return b":" in decoded  # between user and password


# Card numbers.

_LONG_NUMBER = re.compile(r"[0-9]{4}[0-9 \-.+_/\xa0%\\]{9}")
_ESCAPED = re.compile(
    r"%B(?=[0-9]{13})"  # on a magnetic stripe
    r"|%(?:[02][0-9A-Fa-f]|3[A-Fa-f]|[57][B-Fb-f])|\\(?:[nrt]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})"
)
_RUN = re.compile(r"(?<![0-9])[0-9]{13,}")
_SPACED = re.compile(r"(?<![0-9])[0-9]{1,19}(?:[ -][0-9]{1,19})+")
# In the groups that are printed on cards.
_GROUPED = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9]\.)(?=([0-9]{4}([ \-.+_/\xa0])(?:[0-9]{4}\2[0-9]{4}\2[0-9]{1,4}"
    r"(?:\2[0-9]{1,3})?|[0-9]{6}\2[0-9]{4,5})(?![0-9A-Za-z])))"
)
_NETWORKS = re.compile(
    r"4(?:[0-9]{12}|\d{15}|\d{18})|3[47]\d{13}|3[0689](?:\d{12}|\d{14})|35\d{14,17}|2[2-7]\d{14,17}"
    r"|5[1-5]\d{14}|(?:5[06-9]|6\d)\d{12,17}"
)
_SINGLE = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))


def is_card_number(digits: str) -> bool:
    """Whether digits have the prefix, the length and the check digit of a payment card."""
    if not 13 <= len(digits) <= 19 or not _NETWORKS.fullmatch(digits):
        return False
    if len(digits) == 13 and sum(map(int, digits[::2] + digits[1::2] * 3)) % 10 == 0:
        return False  # the number of an article (EAN), which is far more usual
    backwards = digits[::-1].encode("ascii")
    doubled = backwards[1::2].translate(_DOUBLED)
    return (sum(backwards[::2].translate(_SINGLE)) + sum(doubled)) % 10 == 0


def has_card_number(text: str) -> bool:
    """Whether a text has a card number, which no letter or digit touches."""
    if "%" in text or "\\" in text:
        text = _ESCAPED.sub(" ", text)
    for found in _RUN.finditer(text):
        if is_card_number(found[0]) and _stands_alone(text, *found.span()):
            return True
    for found in _GROUPED.finditer(text):
        digits = found[1].replace(found[2], "")
        # An expiry date may follow.
        if is_card_number(digits) or (len(digits) > 16 and is_card_number(digits[:16])):
            return True
    for found in _SPACED.finditer(text):
        if 15 <= found.end() - found.start() <= 40 and _stands_alone(text, *found.span()):
            digits = found[0].replace(" ", "").replace("-", "")
            if len(digits) > 13 and is_card_number(digits):
                return True
    return False


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 2) : start], text[end : end + 1]
    is_fraction = before[-1:] == "." and before[0].isdigit()
    return not (before[-1:].isalpha() or before[-1:] == "+" or after.isalpha() or is_fraction)
