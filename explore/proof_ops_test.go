package explore

import "fmt"

// text is an operation that is the same each time.
func text(s string) func(*proofWriter) string {
	return func(*proofWriter) string { return s }
}

// numbered is one with a number below n in it, or with two.
func numbered(form string, n int) func(*proofWriter) string {
	return func(w *proofWriter) string { return fmt.Sprintf(form, w.IntN(n)) }
}

// calls is a call of libc's with arguments that are the same each time.
func calls(name string, args ...string) func(*proofWriter) string {
	return func(w *proofWriter) string { return w.number(name, append([]string(nil), args...)...) }
}

// around is a section: something before, any operation, and something behind it.
func around(before, behind func(*proofWriter) string) func(*proofWriter) string {
	return func(w *proofWriter) string {
		return fmt.Sprintf("({ u64 k = %s; k += 3 * (u64)(%s); (void)(%s); k; })", before(w), w.expression(false), behind(w))
	}
}

// tries is a section that is left out when it cannot be entered.
func tries(before, behind func(*proofWriter) string) func(*proofWriter) string {
	return func(w *proofWriter) string {
		return fmt.Sprintf("({ u64 k = %s; if (!k) { k = 2 * (u64)(%s); (void)(%s); } k; })", before(w), w.expression(false), behind(w))
	}
}

// allOps are what the programs are made of. Most are libc's own code, whose accesses
// a search learns by running it; the others are things that no instruction touches.
func allOps() []proofOp {
	return append([]proofOp{
		{"sections", 4, "", around(calls("pthread_mutex_lock", "mutex"), calls("pthread_mutex_unlock", "mutex"))},
		{"sections", 3, "", tries(calls("pthread_mutex_trylock", "mutex"), calls("pthread_mutex_unlock", "mutex"))},
		{"sections", 5, "rwlock", around(calls("pthread_rwlock_rdlock", "rwlock"), calls("pthread_rwlock_unlock", "rwlock"))},
		{"sections", 5, "rwlock", around(calls("pthread_rwlock_wrlock", "rwlock"), calls("pthread_rwlock_unlock", "rwlock"))},
		{"sections", 4, "rwlock", tries(calls("pthread_rwlock_tryrdlock", "rwlock"), calls("pthread_rwlock_unlock", "rwlock"))},
		{"sections", 3, "spin", around(calls("pthread_spin_lock", "&spin"), calls("pthread_spin_unlock", "&spin"))},
		{"sections", 3, "", tries(calls("pthread_spin_trylock", "&spin"), calls("pthread_spin_unlock", "&spin"))},
		{"sections", 3, "", around(calls("sem_wait", "sem"), calls("sem_post", "sem"))},
		{"waits", 2, "", calls("sem_post", "sem")},
		{"waits", 2, "", calls("sem_wait", "sem")},
		{"waits", 2, "", calls("sem_trywait", "sem")},
		{"waits", 1, "", func(w *proofWriter) string { return w.number("sem_getvalue", "sem", w.mine(0)) }},
		{"waits", 5, "", calls("pthread_barrier_wait", "barrier")},
		{"waits", 3, "", calls("pthread_once", "&once", "inits")},
		{"waits", 2, "", calls("pthread_cond_signal", "cond")},
		{"waits", 2, "", calls("pthread_cond_broadcast", "cond")},
		{"waits", 6, "", func(w *proofWriter) string {
			return fmt.Sprintf("({ u64 k = %s; while (!AT(u8, 1) && !k) k = %s; (void)(%s); k; })", calls("pthread_mutex_lock", "mutex")(w),
				calls("pthread_cond_wait", "cond", "mutex")(w), calls("pthread_mutex_unlock", "mutex")(w))
		}},
		{"waits", 4, "", func(w *proofWriter) string {
			return fmt.Sprintf("({ u64 k = %s; AT(u8, 1) = 1; (void)(%s); (void)(%s); k; })", calls("pthread_mutex_lock", "mutex")(w),
				calls("pthread_cond_signal", "cond")(w), calls("pthread_mutex_unlock", "mutex")(w))
		}},
		{"waits", 1, "", text("AT(u8, 1) = 1")},

		{"threads", 5, "", func(w *proofWriter) string {
			return w.number("pthread_create", w.mine(40), "0", w.one("stores", "adds", "enters"), w.small(3))
		}},
		{"threads", 4, "", func(w *proofWriter) string {
			return fmt.Sprintf("({ u64 k = *%s; *%[1]s = 0; k ? %s : 7; })", w.mine(40), w.number(w.one("pthread_join", "pthread_join", "pthread_detach"), "k", "0"))
		}},
		{"threads", 1, "", numbered("AT(u8, 0) = %d", 3)},
		{"threads", 1, "", text("AT(u32, 0)")},
		{"threads", 2, "", text("loads_pair(m.d)")},
		{"threads", 2, "", numbered("stores_pair(m.d, %d)", 3)},

		{"heap", 3, "", func(w *proofWriter) string {
			return fmt.Sprintf("__atomic_exchange_n(slots + %d, %s, __ATOMIC_SEQ_CST) != 0", w.IntN(2), w.libc("malloc", w.one("24", "24", "100")))
		}},
		{"heap", 3, "", func(w *proofWriter) string {
			return fmt.Sprintf("({ (void)(%s); 0; })", w.libc("free", fmt.Sprintf("__atomic_exchange_n(slots + %d, 0, __ATOMIC_SEQ_CST)", w.IntN(2))))
		}},
		{"heap", 4, "", func(w *proofWriter) string {
			return fmt.Sprintf("({ u64 *k = (u64 *)%s; if (k) { *k = %d; (void)(%s); } 0; })", w.libc("malloc", "24"), w.IntN(3), w.libc("free", "k"))
		}},
		{"heap", 4, "", func(w *proofWriter) string {
			return fmt.Sprintf("({ u64 *k = (u64 *)FROM(slots, u64, 0); if (k) *k = %d; 0; })", w.IntN(3))
		}},
		{"environment", 5, "", func(w *proofWriter) string {
			return w.number("setenv", w.one(`"A"`, `"A"`, `"C"`), w.one(`"x"`, `"longer"`), w.small(2))
		}},
		{"environment", 3, "", func(w *proofWriter) string {
			return fmt.Sprintf("({ char *k = (char *)%s; k ? k[0] : 0; })", w.libc("getenv", w.one(`"A"`, `"C"`)))
		}},
		{"environment", 4, "", func(w *proofWriter) string { return w.number("unsetenv", w.one(`"A"`, `"C"`)) }},

		{"streams", 4, "", func(w *proofWriter) string { return w.number("puts", "path") }},
		{"streams", 3, "", func(w *proofWriter) string { return w.number("putchar", "65 + "+w.small(2)) }},
		{"streams", 3, "", func(w *proofWriter) string { return w.number("fflush", w.one("0", "stream")) }},
		{"streams", 3, "", calls("fgetc", "stream")},
		{"streams", 3, "", func(w *proofWriter) string { return w.number("ungetc", "65", "stream") }},
		{"streams", 3, "", calls("ftell", "stream")},
		{"streams", 1, "", numbered(`*(volatile u8 *)(path + 1) = "fg"[%d]`, 2)},
		{"streams", 3, "", calls("rand")},
		{"streams", 3, "", func(w *proofWriter) string { return w.number("srand", w.small(3)) }},

		{"texts", 2, "", func(w *proofWriter) string {
			return w.libc("memset", "m.b", w.small(3), w.one("9", "33", "64")) + " != 0"
		}},
		{"texts", 2, "", func(w *proofWriter) string { return w.libc("memcpy", "page", "m.b", w.one("12", "40", "64")) + " != 0" }},
		{"texts", 2, "", func(w *proofWriter) string { return w.libc("memmove", "m.b", "m.b + 3", w.one("9", "33")) + " != 0" }},
		{"texts", 2, "", func(w *proofWriter) string { return w.number("memcmp", "page", "m.b", w.one("8", "30")) }},
		{"texts", 2, "", func(w *proofWriter) string { return w.libc("memchr", "m.b", w.small(3), "64") + " != 0" }},
		{"texts", 2, "", calls("strlen", "path")},
		{"texts", 2, "", func(w *proofWriter) string { return w.libc("strcpy", "m.b + 4", "path") + " != 0" }},
		{"texts", 2, "", func(w *proofWriter) string { return w.libc("strncpy", "path", "m.b", "9") + " != 0" }},
		{"texts", 2, "", func(w *proofWriter) string { return "(int)" + w.libc("strcmp", "path", "m.b") + " < 0" }},
		{"texts", 2, "", func(w *proofWriter) string { return w.libc("strchr", "path", "102") + " != 0" }},
		{"texts", 2, "", calls("strtol", "path + 2", "0", "10")},
		{"texts", 2, "", func(w *proofWriter) string { return w.libc("strtok", w.one("0", "path"), `"fg"`) + " != 0" }},
		{"texts", 1, "", numbered(`*(volatile u8 *)(path + 2) = "01"[%d]`, 2)},

		{"spinning", 3, "spin", text("({ u64 k = 0; while (!*(volatile u32 *)&flag) ; k; })")},
		{"spinning", 3, "spin", func(w *proofWriter) string {
			return fmt.Sprintf("({ while (!*(volatile u32 *)&flag) (void)(%s); 1; })", w.sys("sched_yield"))
		}},
		{"spinning", 3, "spin", calls("sched_yield")},
		{"spinning", 1, "", numbered("*(volatile u32 *)&flag = %d", 2)},
		{"spinning", 4, "spin", func(w *proofWriter) string {
			return fmt.Sprintf("({ while (__atomic_exchange_n(&tas, 1, __ATOMIC_ACQUIRE)) ; u64 k = %s; __atomic_store_n(&tas, 0, __ATOMIC_RELEASE); k; })", w.expression(false))
		}},
		{"spinning", 4, "spin", text("({ u32 k; do k = __atomic_load_n(&tas, __ATOMIC_RELAXED); while (k || !__atomic_compare_exchange_n(&tas, &k, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)); __atomic_store_n(&tas, 0, __ATOMIC_RELEASE); k; })")},

		{"time", 2, "time", func(w *proofWriter) string { return w.libc("time", "0") }},
		{"time", 2, "time", func(w *proofWriter) string { return w.number("nanosleep", w.one("soon", "one", "at"), "0") }},
		{"time", 2, "time", calls("usleep", "1")},
		{"time", 4, "time", func(w *proofWriter) string {
			return fmt.Sprintf("({ (void)(%s); u64 k = own[%d][0] * 1000000000 + own[%[2]d][1]; (void)(%[1]s); own[%[2]d][0] * 1000000000 + own[%[2]d][1] - k > %[3]s; })",
				w.sys("clock_gettime", "1", w.mine(0)), w.thread, w.one("100", "500", "1000", "1000000"))
		}},
		{"time", 3, "time", calls("sem_timedwait", "sem", "one")},
		{"time", 4, "time", func(w *proofWriter) string { // in a while
			return fmt.Sprintf("({ (void)(%s); own[%d][1] += 400; u64 k = %s; if (!k) (void)(%s); k; })", w.sys("clock_gettime", "0", w.mine(0)), w.thread,
				w.number(w.one("sem_timedwait", "pthread_mutex_timedlock"), "mutex", w.mine(0)), calls("pthread_mutex_unlock", "mutex")(w))
		}},
		{"time", 6, "time", func(w *proofWriter) string {
			return fmt.Sprintf("({ (void)(%s); u64 k = %s; (void)(%s); k; })", calls("pthread_mutex_lock", "mutex")(w),
				calls("pthread_cond_timedwait", "cond", "mutex", "one")(w), calls("pthread_mutex_unlock", "mutex")(w))
		}},
		{"time", 2, "", calls("sem_post", "sem")},
		{"time", 2, "", numbered("puts_time(soon, %d)", 1000)},
		{"time", 2, "", numbered("puts_time(at, 999999999 + %d)", 2)},
		{"time", 2, "", calls("pthread_cond_signal", "cond")},

		{"code", 1, "fetch", text("((u32 (*)(void))code)()")},
		{"code", 1, "fetch", numbered("({ writes_code(code, %d); 0; })", 4)},
		{"code", 1, "fetch", text("({ all_code(code); 0; })")},
		{"code", 1, "fetch", func(w *proofWriter) string { return w.sys("mprotect", "code", "4096", w.one("0", "1", "3", "5", "7")) }},
		{"code", 1, "fetch", func(w *proofWriter) string { return w.sys("munmap", "code", "4096") }},
		{"code", 1, "fetch", func(w *proofWriter) string { return w.sys("madvise", "code", "4096", "4") }},
		{"code", 1, "fetch", func(w *proofWriter) string { return w.sys("mmap", "code", "4096", "7", "0x32", "-1", "0") }},

		{"pages", 1, "zeroed", func(w *proofWriter) string { return w.sys("madvise", "page", "4096", w.one("4", "4", "3")) }},
		{"pages", 1, "", func(w *proofWriter) string {
			return w.sys("mprotect", "page", "4096", w.one("0", "1", "3"))
		}},
		{"pages", 1, "", func(w *proofWriter) string { return w.sys("munmap", "page", "4096") }},
		{"pages", 1, "zeroed", func(w *proofWriter) string { return w.sys("mmap", "page", "4096", "3", "0x32", "-1", "0") }},
		{"pages", 1, "zeroed", func(w *proofWriter) string {
			return w.sys("mremap", "page", "4096", w.one("4096", "8192"), w.small(2))
		}},
		{"pages", 1, "", func(w *proofWriter) string {
			return fmt.Sprintf("FROM(page, %s, %d)", w.one("u8", "u32", "u64"), 8*w.IntN(2))
		}},
		{"pages", 1, "", func(w *proofWriter) string {
			return fmt.Sprintf("FROM(page, %s, %d) = %d", w.one("u8", "u32", "u64"), 8*w.IntN(2), w.IntN(3))
		}},
		{"pages", 1, "zeroed", func(w *proofWriter) string { return w.sys("brk", w.one("0", "end + 4096", "end")) }},
		{"pages", 1, "zeroed", func(w *proofWriter) string {
			return fmt.Sprintf("({ u64 k = %s; if (k == (u64)end + 4096) FROM(end, u8, 0) = %d; k; })", w.sys("brk", "end + 4096"), w.IntN(3))
		}},
		{"pages", 1, "zeroed", func(w *proofWriter) string {
			return fmt.Sprintf("({ u64 k = %s; k < -4096ul ? FROM(k, u8, 0) : k; })", w.sys("mmap", "0", "4096", "3", w.one("0x22", "2"), w.one("-1", "3"), "0"))
		}},
	}, callOps()...)
}
