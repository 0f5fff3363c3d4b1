"""The rule language: a typed tree, a parser that reports every mistake, and everything that is read off the tree."""
