// An exception that leaves a lock taken
//
// An exception leaves a function that has taken a lock by hand, and nobody lets it go.
//
// Fails: deadlock
#include <mutex>
#include <stdexcept>
#include <thread>

static std::mutex lock;
static int stock = 1;

static void take() {
#ifdef FIXED
	std::lock_guard<std::mutex> hold(lock);
	if (stock == 0)
		throw std::runtime_error("none left");
	stock--;
#else
	lock.lock();
	if (stock == 0)
		throw std::runtime_error("none left");
	stock--;
	lock.unlock();
#endif
}

static void buy() {
	try {
		take();
	} catch (const std::exception &) {
	}
}

static void refill() {
	std::lock_guard<std::mutex> hold(lock);
	stock++;
}

int main() {
	// There is enough for both customers, if the second one comes behind the delivery.
	std::thread customer(buy), delivery(refill);
	buy();
	customer.join();
	delivery.join();
	return 0;
}
