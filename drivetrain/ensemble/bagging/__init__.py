"""Bagging: members on rows and features drawn at random, averaged."""
