"""The parts of the Python language host, one concern a file; `engine.language_host` puts them together."""
