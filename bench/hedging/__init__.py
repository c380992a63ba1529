"""The hedging benchmark: populations, rows, the black box and what its figures are."""
