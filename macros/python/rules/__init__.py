"""The rule language: one typed tree, one parser that reports every mistake, and everything that is read off the tree."""
