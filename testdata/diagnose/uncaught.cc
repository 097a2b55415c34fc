// An exception that nobody catches, in a thread.
#include <stdexcept>
#include <thread>

__attribute__((noinline)) static void query(const char *table) {
	throw std::runtime_error(std::string("no such table: ") + table);
}

static void client() { query("users"); }

int main() {
	std::thread t(client);
	t.join();
}
