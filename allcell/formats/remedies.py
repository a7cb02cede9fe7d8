"""What to do about a file that cannot be read: sentences that several formats share."""

COPY_AGAIN = "Copy or export it again from the microscope or camera."
EXPORT_REGION = (
    "Export one field of view from the scanner's viewer as TIFF, PNG or JPEG and choose that file."
)
OPEN_AS_SLIDE = (
    "Open it on the Slides page, which reads it part by part; or export one field of view from the "
    "scanner's viewer as TIFF, PNG or JPEG and choose that file."
)
SAVE_PLAIN = "Save it as an uncompressed 8-bit RGB TIFF or as PNG and choose that file."
