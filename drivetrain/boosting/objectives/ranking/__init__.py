"""Ranking: pairs of rows of one query, told apart by how much their exchange would cost."""
