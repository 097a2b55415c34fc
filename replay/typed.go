package replay

import (
	"maps"
	"slices"
)

// freed stands in pointedTo for a block that is given back.
const freed = "free"

// pointedTo says of functions, by their plain names, what their first argument points to, as C has the type.
// Those that glibc keeps to itself are struct new_sem and struct pthread_barrier (glibc,
// sysdeps/nptl/internaltypes.h).
var pointedTo = func() map[string]string {
	list := map[string]string{}
	for typ, names := range map[string][]string{
		"pthread_mutex_t":  {"pthread_mutex_lock", "pthread_mutex_trylock", "pthread_mutex_timedlock", "pthread_mutex_clocklock", "pthread_mutex_unlock"},
		"pthread_cond_t":   {"pthread_cond_wait", "pthread_cond_timedwait", "pthread_cond_clockwait", "pthread_cond_signal", "pthread_cond_broadcast"},
		"pthread_rwlock_t": {"pthread_rwlock_rdlock", "pthread_rwlock_wrlock", "pthread_rwlock_tryrdlock", "pthread_rwlock_trywrlock", "pthread_rwlock_unlock"},
		"new_sem":          {"sem_wait", "sem_trywait", "sem_timedwait", "sem_clockwait", "sem_post", "sem_getvalue"},
		"pthread_barrier":  {"pthread_barrier_wait"},
		freed:              {"free", "libc_free", "cfree", "realloc", "libc_realloc", "munmap", "pthread_mutex_destroy", "pthread_cond_destroy", "pthread_rwlock_destroy", "pthread_barrier_destroy", "sem_destroy"},
	} {
		for _, name := range names {
			list[name] = typ
		}
	}
	return list
}()

// Bounds of what is kept: how many objects, and how many bytes one has at most, which are those of a
// pthread_rwlock_t.
const (
	mostTyped    = 1 << 16
	largestTyped = 56
)

// seen notes what the first argument of a call that begins points to. What is given back may be something else
// from then on, and so may all behind it: how long a block is, is not looked at.
func (u *usage) seen(m int, typ string) {
	args, _, _ := u.p.CallRegisters()
	object, ok := u.p.Register(m, args[0])
	switch {
	case !ok || object == 0:
	case typ == freed:
		maps.DeleteFunc(u.typed, func(at uint64, _ string) bool { return at >= object })
	case len(u.typed) < mostTyped:
		u.typed[object] = typ
	}
}

// member names an address in an object that a call was seen with: where that begins, its type and its
// member, as in pthread_cond_t and __data.__g_signals[1]; "" where it is in none, or the types of the C
// library are not known.
func (u *usage) member(addr uint64) (object uint64, typ, member string) {
	for off := addr % 8; off < largestTyped && off <= addr; off += 8 { // they are at multiples of 8
		typ, ok := u.typed[addr-off]
		if !ok {
			continue
		}
		for _, mod := range u.p.Modules() {
			if !slices.Contains([]string{"libc.so.6", "libpthread.so.0"}, mod.Image.Soname) {
				continue
			}
			if member, ok := mod.Image.MemberAt(typ, off); ok {
				return addr - off, typ, member
			}
		}
	}
	return 0, "", ""
}
