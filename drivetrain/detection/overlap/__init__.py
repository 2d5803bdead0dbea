"""Overlaps other than those of boxes and masks: keypoints and rotated boxes."""
