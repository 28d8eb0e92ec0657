"""The page for people at `/` and the interactive documentation at `/docs`: files of this package, and no others."""
