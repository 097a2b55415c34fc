// A shared_ptr assigned while it is copied
//
// A std::shared_ptr is copied by one thread while another one assigns to it: the counts are
// safe, the pointer itself is not.
//
// Fails: abort, crash
#include <cassert>
#include <memory>
#include <mutex>
#include <thread>

struct Settings {
	int a, b;
	explicit Settings(int n) : a(n), b(-n) {}
	~Settings() { a = 1, b = 1; }
};

static std::shared_ptr<Settings> current = std::make_shared<Settings>(1);
#ifdef FIXED
static std::mutex lock;
#endif

int main() {
	std::thread writer([] {
		auto fresh = std::make_shared<Settings>(2);
#ifdef FIXED
		std::lock_guard<std::mutex> hold(lock);
#endif
		current = fresh;
	});
	std::shared_ptr<Settings> mine;
	{
#ifdef FIXED
		std::lock_guard<std::mutex> hold(lock);
#endif
		mine = current;
	}
	assert(mine->a == -mine->b);
	writer.join();
	return 0;
}
