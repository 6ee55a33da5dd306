"""What a stack costs a month: prices as data, a model of its traffic, and the bill that follows. Measures nothing."""
