"""Figures of runs, each drawn by one function: for the report, the app and whoever imports them.

A function takes a table (``error_rows``, ``trace_rows``, ...) and returns an Altair chart. Tables
are pandas frames in long form, a row for each model, keypoint and frame; NaN = not known.
"""
