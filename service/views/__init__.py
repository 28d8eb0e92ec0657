"""What a process knows from the topics: outcomes of the past, requests that wait, submissions still pending."""
