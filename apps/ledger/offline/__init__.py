"""What leaves the portal inside an evidence bundle: the verifier, and the page that shows the record without a network."""
