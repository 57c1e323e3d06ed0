"""The Checker: are there samples far from what the model knows?"""
