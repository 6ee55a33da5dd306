"""The report of a benchmark: one HTML file that needs nothing else, and the same in Markdown."""
