"""Container images of the workflow's roles: what they are made from, whether they fit, building them."""
