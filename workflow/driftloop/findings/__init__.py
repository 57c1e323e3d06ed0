"""What a window has come to, product by product: each file's content as a frozen dataclass."""
