"""The generated messages and services of `quickthorn.v1`; import its modules by name."""
