"""The demonstration: pictures, a pretended recorder, and the tour that `make demo` runs."""
