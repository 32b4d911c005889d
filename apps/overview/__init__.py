"""The first page: what needs me now; the health of the watched tier for machines."""
