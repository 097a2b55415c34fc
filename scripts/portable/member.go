package portable

import (
	"fmt"
	"slices"
	"strings"
)

// objects are the C library's types of which programs have objects that they do not look into. Those
// that glibc keeps to itself are struct new_sem and struct pthread_barrier (glibc,
// sysdeps/nptl/internaltypes.h).
var objects = []string{"pthread_mutex_t", "pthread_cond_t", "pthread_rwlock_t", "new_sem", "pthread_barrier"}

// largestObject is the size of the largest of them, in bytes.
const largestObject = 56

// MemberError is about a member that cannot be found in an object.
type MemberError struct {
	Loc   Loc
	Types []string // that have such a member, each at another place; none when no type has it
}

// Error says which member it is.
func (e *MemberError) Error() string {
	if len(e.Types) > 1 {
		return fmt.Sprintf("%v.%s: a member of several types, at different places: %s", e.Loc.Symbol, e.Loc.Member, strings.Join(e.Types, ", "))
	}
	return fmt.Sprintf("%v.%s: no type of the C library's has this member, as far as its debug files are there", e.Loc.Symbol, e.Loc.Member)
}

// Hint is what to do about it.
func (e *MemberError) Hint() string {
	if len(e.Types) > 1 {
		return "name the member by its whole path, as in cond.__data.__g_signals, or add a number of bytes to the address"
	}
	return "members are known of " + strings.Join(objects, ", ") + "; emurace replay names them where an instruction touches one; a number of bytes can be added to the address of anything"
}

// member is how far behind the beginning of an object a member of it is, of the types that are no
// longer than the static data that the object is in. The last parts of the member's path are enough.
func (n *names) member(object uint64, l Loc) (uint64, error) {
	room := uint64(largestObject)
	if s, ok := n.s.Process().Static(object); ok {
		room = min(room, s.Addr+s.Size-object)
	}
	var found []uint64
	e := &MemberError{Loc: l}
	for _, typ := range objects {
		for off := range room {
			if n.hasMember(typ, l.Member, off) {
				if !slices.Contains(found, off) {
					found, e.Types = append(found, off), append(e.Types, typ)
				}
				break
			}
		}
	}
	if len(found) != 1 {
		return 0, e
	}
	return found[0], nil
}

// hasMember tells whether the member of a type at an offset is called so. The first element of an
// array stands for the array.
func (n *names) hasMember(typ, member string, off uint64) bool {
	for _, mod := range n.s.Process().Modules() {
		if soname := mod.Image.Soname; soname != "libc.so.6" && soname != "libpthread.so.0" {
			continue
		}
		if path, ok := mod.Image.MemberAt(typ, off); ok {
			return ends(path, member) || ends(strings.TrimSuffix(path, "[0]"), member)
		}
	}
	return false
}

// ends tells whether the last parts of a member's path are these.
func ends(path, last string) bool { return path == last || strings.HasSuffix(path, "."+last) }
