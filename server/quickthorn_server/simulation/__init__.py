"""Hedging policies in virtual time, over lanes whose times are known."""
