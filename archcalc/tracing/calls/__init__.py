"""What is known of torch's operators: tables by their names, each with the call as it was seen."""
