"""The Review page: all pictures, the gallery, the count, cases, signatures and exports."""
