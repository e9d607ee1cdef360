"""The front door: command line, settings, demonstration, doctor. Wires the other packages together; holds no logic."""

__version__ = "0.1.0"
