"""Programs for those who work on the portal: none of them is needed where it is only served."""
