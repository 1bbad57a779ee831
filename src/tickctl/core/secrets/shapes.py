"""What secrets look like, so that one in a place for names is noticed. It is never repeated, only said what it is."""

import re
from typing import Final

# None of them is begun anew within a word, so that a long text costs no more than its length.
_SHAPES: Final = (
    ("a private key", re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")),
    ("a token", re.compile(r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]+\.[\w-]*")),
    ("a Supabase secret key", re.compile(r"\bsb_secret_[\w-]+")),
    ("a Supabase access token", re.compile(r"\bsbp_[0-9a-f]{20,}")),
    # IAM User Guide, "IAM identifiers": AKIA is a user's access key, ASIA a temporary one.
    ("an AWS access key", re.compile(r"(?<![A-Z0-9])A[KS]IA[A-Z0-9]{16}(?![A-Z0-9])")),
    ("a GitHub token", re.compile(r"\bgh[opsur]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}")),
    ("a Slack token", re.compile(r"\bxox[abeoprs]-[\w-]{10,}")),
    ("a Stripe key", re.compile(r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}")),
    ("an API key", re.compile(r"\bsk-[\w-]{20,}")),
    ("a URL with a password", re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s/@:]*:[^\s/@]+@[^\s/]")),
)


def secret_shape(text: str) -> str | None:
    """Return what a text looks like if it looks like a secret: "a private key", "a URL with a password" and so on."""
    return next((name for name, shape in _SHAPES if shape.search(text)), None)
