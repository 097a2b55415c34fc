package testcores

import (
	"fmt"
	"testing"

	"emurace/loader"
)

// ArticleOptions say how the article's crash is made.
type ArticleOptions struct {
	Writer Writer // "" is the emulator, of Arch
	Arch   loader.Arch
	// Full fills the bin of the worker's tcache, where else there is no tcache.
	Full bool
	// Live stops the process in main's handler of the first fault: getenv has not come to 0x220 yet. Nobody
	// has died.
	Live bool
	// Filter is for Kernel: the process's coredump_filter, core(5), as 0x23 for no first pages of
	// modules; 0 for what is usual, 0x33.
	Filter uint
}

// Of the article's crash: the entries of environ when main walks it, and what the worker has added
// to it. The block has ArticleEntries pointers and a NULL, at word ArticleEntries.
const (
	ArticleEntries   = 66
	ArticleValue     = 0x220
	ArticleBlockSize = 0x218
)

// ArticleTruth is what is true of the article's crash.
func ArticleTruth() Truth {
	return Truth{
		Kind: MallocWord, Signal: sigsegv, Thread: "main", Stack: []string{"getenv", "dcigettext", "strerror_l", "strerror", "main"},
		Value: ChunkSize, Bits: ArticleValue, Size: ArticleBlockSize, Offset: 8 * ArticleEntries, Global: "environ", Culprit: "worker", CulpritSeen: true,
	}
}

// ArticleAdded are the variables that the worker has added, in their order; they are entries
// ArticleEntries and ArticleEntries+1 of the present environ, in the worker's own arena.
func ArticleAdded() []string {
	return []string{"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "SSL_CERT_DIR=/etc/ssl/certs"}
}

// ArticleEnv is the environment that the process begins with. Main adds two more, ARTICLE_ONE=1 and
// ARTICLE_TWO=2.
func ArticleEnv(full bool) []string {
	env := []string{"LANG=C.UTF-8"}
	if !full {
		env = append(env, "GLIBC_TUNABLES=glibc.malloc.tcache_count=0")
	}
	for i := len(env); i < ArticleEntries-2; i++ {
		env = append(env, fmt.Sprintf("VARIABLE_%02d=value %d", i, i))
	}
	return env
}

// Article is the core of article.c: main has died of ArticleValue in getenv("LANGUAGE") under
// __dcigettext, and the worker, which has set ArticleAdded meanwhile, waits in another function.
// It is so where glibc frees the old block: before 2.41.
func Article(t testing.TB, o ArticleOptions) *Core {
	t.Helper()
	m := recipe{file: "article.c", env: ArticleEnv(o.Full), alive: o.Live, handled: 1, filter: o.Filter}
	if o.Full {
		m.args = append(m.args, "full")
	}
	if o.Live {
		m.args = append(m.args, "live")
	}
	if o.Writer == "" {
		return emulatedProgram(t, "bookworm", o.Arch, m)
	}
	return build(t, o.Writer, m)
}
