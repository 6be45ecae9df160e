"""What a company's sellers say in which situation, and the cards about its competitors."""
