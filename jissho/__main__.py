"""`python -m jissho` is `jissho`."""

from jissho.cli import main

main()
