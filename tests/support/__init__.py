"""What the tests share: real servers, a database per test, people at agencies."""
