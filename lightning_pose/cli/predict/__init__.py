"""Predictions asked for with options, and with the predecessor's keys."""
