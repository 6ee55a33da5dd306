"""What a stack allows and to whom, read from what the program registers, as a page of the docs."""
