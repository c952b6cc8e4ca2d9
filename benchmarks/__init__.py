"""What hermes_lab costs, beside what people use today."""
