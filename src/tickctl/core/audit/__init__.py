"""Whether what runs keeps the promises of the security page: pure judgement, by names and never by values."""
