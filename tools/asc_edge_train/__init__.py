"""The workstation wing: data sets, training, stacking, export and reports.

It uses the device wing's own front end, window and pipeline, so that training, file and stream agree. Nothing
in ``asc_edge`` imports from here.
"""
