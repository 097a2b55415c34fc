package testcores

const (
	sigabrt = 6
	sigsegv = 11
)

// Suites of Debian by their glibc: 2.31, 2.36, 2.41, 2.43.
var (
	everyLibc = []string{"bullseye", "bookworm", "trixie", "forky"}
	oldLibc   = []string{"bullseye"}
	safeLibc  = []string{"bookworm", "trixie", "forky"} // what is mangled, from 2.32 on
	// There are no fast bins in 2.43, and programs are built for 2.36, and run on that and newer ones.
	programLibc = []string{"bookworm", "trixie", "forky"}
)

// Causes is the table.
var Causes = []Cause{
	{
		Name: "malloc-foot", File: "malloc_word.star", Settings: []string{"word=foot"}, Suites: everyLibc,
		Truth: Truth{Kind: MallocWord, Signal: sigsegv, Thread: "main", Stack: []string{"strlen"}, Value: ChunkSize, Bits: 0x220, Size: 0x218, Offset: 0x210, Culprit: "worker"},
	},
	{
		Name: "malloc-unsorted", File: "malloc_word.star", Settings: []string{"word=unsorted", "call=yes"}, Suites: everyLibc,
		Truth: Truth{Kind: MallocWord, Signal: sigsegv, Thread: "main", Stack: []string{"", "bsearch"}, Value: BinLink, Size: 0x218, Global: "main_arena", Culprit: "worker"},
	},
	{
		Name: "malloc-next-plain", File: "malloc_word.star", Settings: []string{"word=next", "call=yes"}, Suites: oldLibc,
		Truth: Truth{Kind: MallocWord, Signal: sigsegv, Thread: "main", Stack: []string{"", "bsearch"}, Value: PlainNext, Size: 0x58, Culprit: "worker", CulpritSeen: true},
	},
	{
		Name: "malloc-next-safe", File: "malloc_word.star", Settings: []string{"word=next"}, Suites: safeLibc,
		Truth: Truth{Kind: MallocWord, Signal: sigsegv, Thread: "main", Stack: []string{"strlen"}, Value: SafeLink, Size: 0x58, Culprit: "worker", CulpritSeen: true},
	},
	{
		Name: "malloc-fast-safe", File: "malloc_word.star", Settings: []string{"word=fast"}, Suites: []string{"bookworm", "trixie"},
		Truth: Truth{Kind: MallocWord, Signal: sigsegv, Thread: "main", Stack: []string{"strlen"}, Value: SafeLink, Size: 0x58, Culprit: "worker"},
	},
	{
		Name: "malloc-key-address", File: "malloc_word.star", Settings: []string{"word=key", "call=yes"}, Suites: oldLibc,
		Truth: Truth{Kind: MallocWord, Signal: sigsegv, Thread: "main", Stack: []string{"", "bsearch"}, Value: TcacheAddr, Size: 0x58, Offset: 8, Culprit: "worker", CulpritSeen: true},
	},
	{
		Name: "malloc-key", File: "malloc_word.star", Settings: []string{"word=key"}, Suites: safeLibc,
		Truth: Truth{Kind: MallocWord, Signal: sigsegv, Thread: "main", Stack: []string{"strlen"}, Value: TcacheKey, Size: 0x58, Offset: 8, Culprit: "worker", CulpritSeen: true},
	},
	{
		Name: "freed-own-content", File: "own_content.c", Suites: programLibc,
		Truth: Truth{Kind: OwnContent, Signal: sigsegv, Thread: "main", Stack: []string{"send_line", "main"}, Value: StalePointer, Size: 40, Offset: 24, Global: "connection", Culprit: "closer", CulpritSeen: true},
	},
	{
		Name: "freed-reused", File: "reused.c", Suites: programLibc,
		Truth: Truth{Kind: Reused, Signal: sigsegv, Thread: "main", Stack: []string{"strlen", "width", "main"}, Value: Text, Bits: 0x206c6d74682e7865, Text: "ex.html ", Size: 32, Offset: 8, Global: "job", Culprit: "finisher"},
	},
	{
		Name: "freed-stale-global", File: "stale_global.c", Suites: programLibc,
		Truth: Truth{Kind: MallocWord, Signal: sigsegv, Thread: "main", Stack: []string{"strlen", "path_length", "main"}, Value: SafeLink, Size: 48, Global: "current", Culprit: "reloader", CulpritSeen: true},
	},
	{
		Name: "stack-overflow", File: "stack_overflow.c", Suites: programLibc,
		Truth: Truth{Kind: StackOverflow, Signal: sigsegv, Thread: "adder", Stack: []string{"sum", "sum", "sum"}, Value: GuardPage, Culprit: "adder", CulpritSeen: true},
	},
	{
		Name: "null-member", File: "null_member.c", Suites: programLibc,
		Truth: Truth{Kind: NullMember, Signal: sigsegv, Thread: "main", Stack: []string{"requests_of", "main"}, Value: Null, Offset: 40},
	},
	{
		Name: "wild-jump", File: "wild_jump.c", Suites: programLibc,
		Truth: Truth{Kind: WildJump, Signal: sigsegv, Thread: "main", Stack: []string{"", "dispatch", "main"}, Value: Garbage, Bits: 0x12345670, Global: "table"},
	},
	{
		Name: "double-free", File: "double_free.c", Suites: programLibc,
		Truth: Truth{Kind: DoubleFree, Signal: sigabrt, Thread: "main", Stack: []string{"abort", "release", "main"}, Text: "free(): double free detected in tcache 2", Culprit: "main", CulpritSeen: true},
	},
	{
		Name: "deadlock-two", File: "cycle.c", Flags: []string{"-DTHREADS=2"}, Suites: programLibc,
		Truth: Truth{Kind: Deadlock, Thread: "first", Stack: []string{"pthread_mutex_lock", "transfer", "first"}, Global: "account", Cycle: []string{"first", "second"}},
	},
	{
		Name: "deadlock-three", File: "cycle.c", Flags: []string{"-DTHREADS=3"}, Suites: programLibc,
		Truth: Truth{Kind: Deadlock, Thread: "first", Stack: []string{"pthread_mutex_lock", "transfer", "first"}, Global: "account", Cycle: []string{"first", "second", "third"}},
	},
	{
		Name: "stuck-condition", File: "stuck.c", Suites: programLibc,
		Truth: Truth{Kind: StuckCond, Thread: "consumer", Stack: []string{"pthread_cond_wait", "take", "consumer"}, Global: "filled"},
	},
	{
		Name: "assertion", File: "assertion.c", Suites: programLibc,
		Truth: Truth{Kind: Assertion, Signal: sigabrt, Thread: "drainer", Stack: []string{"abort", "drain", "drainer"}, Text: "assertion.c:10: drain: Assertion `q->length == 0' failed.", Culprit: "drainer", CulpritSeen: true},
	},
	{
		Name: "pure-virtual", File: "pure_virtual.cc", Flags: staticCxx, Suites: programLibc,
		Truth: Truth{Kind: PureVirtual, Signal: sigabrt, Thread: "painter", Stack: []string{"abort", "__cxa_pure_virtual", "describe", "painter"}, Text: "pure virtual method called", Type: "shape", Culprit: "painter", CulpritSeen: true},
	},
	{
		Name: "uncaught-exception", File: "uncaught.cc", Flags: staticCxx, Suites: programLibc,
		Truth: Truth{Kind: Uncaught, Signal: sigabrt, Thread: "client", Stack: []string{"abort", "__cxa_throw", "query", "client"}, Text: "no such table: users", Type: "std::runtime_error", Culprit: "client", CulpritSeen: true},
	},
	{
		Name: "overrun", File: "overrun.c", Suites: programLibc,
		Truth: Truth{Kind: Overrun, Signal: sigsegv, Thread: "main", Stack: []string{"strlen", "width", "main"}, Value: Text, Bits: 0x6566696566706b63, Text: "ckpfeife", Size: 16, Global: "entry", Culprit: "parser"},
	},
}

// staticCxx has what C++ needs beside libc in the program itself. The archive's own __cxa_pure_virtual
// is only linked when somebody asks for it: a vtable's reference is weak.
var staticCxx = []string{"-static-libstdc++", "-static-libgcc", "-Wl,-u,__cxa_pure_virtual"}
