"""Voting: members fitted on the same rows, their answers counted or averaged."""
