package arena

// Cache is a thread's cache of free blocks, a tcache_perthread_struct.
type Cache struct {
	Addr   uint64 // of the struct, which is a block of malloc's own
	Thread int    // index in Malloc.Threads, -1 for unknown
	// Certain is set when the thread's variable tcache leads to it.
	Certain bool
	Lists   []*List // those that are not empty

	lay cacheLayout
}
