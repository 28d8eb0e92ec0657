"""How certificates of servers are checked: one rule for the API server and for the brokers."""

import ssl
from pathlib import Path


def server_context(authority: Path | str | None = None) -> ssl.SSLContext:
    """Return a context that checks a server's certificate and name against a PEM file, or the system's authorities.

    Python 3.13 turned on VERIFY_X509_STRICT, which refuses authorities without key identifiers (RFC 5280, 4.2.1.1 and
    4.2.1.2): those of EKS, MicroK8s and many a company have none. Go, Java and OpenSSL itself do not ask for them.
    Raises OSError where the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context(cafile=authority)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
