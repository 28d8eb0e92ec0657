"""Which authorities a server's certificate is checked against."""

import ssl
from os import PathLike, fspath


def authorities(file: str | PathLike[str]) -> ssl.SSLContext:
    """Return a context that checks certificates and names against the authorities of a PEM file, and no others.

    Without VERIFY_X509_STRICT, which Python 3.13 turned on: it refuses authorities without key identifiers (RFC 5280,
    4.2.1.1), as many a company's own are. Raises OSError where the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context(cafile=fspath(file))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
