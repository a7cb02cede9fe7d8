"""A reviewed case as files: PDF, CSV, COCO, YOLO, GeoJSON, FHIR, and all of them in one ZIP."""
