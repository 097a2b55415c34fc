package arena

import "fmt"

// String says in a few plain words what the word is: "the foot of a free chunk of 0x220 bytes".
func (s Meaning) String() string {
	text := ""
	switch s.Kind {
	case SizeField:
		text = fmt.Sprintf("the size field of the chunk at %#x", s.Chunk.Addr)
	case Foot:
		text = fmt.Sprintf("the foot of the chunk at %#x of %#x bytes", s.Chunk.Addr, s.Chunk.Size)
	case FreeLink, CacheLink:
		text = fmt.Sprintf("the link %s of the chunk at %#x", s.Field, s.Chunk.Addr)
		switch {
		case s.Bin != 0:
			text += fmt.Sprintf(" to the head of bin %d of the arena at %#x", s.Bin, s.Arena.Addr)
		case s.Target != 0:
			text += fmt.Sprintf(" to %#x", s.Target)
		default:
			text += ", the end of its list"
		}
		if s.Mangled {
			text += ", mangled"
		}
	case CacheKey:
		text = "the key of a block in a thread's cache"
	case ToArena:
		text = fmt.Sprintf("a pointer into the arena at %#x", s.Arena.Addr)
		if s.Bin != 0 {
			text = fmt.Sprintf("a pointer to the head of bin %d of the arena at %#x", s.Bin, s.Arena.Addr)
		}
	case ToCache:
		text = fmt.Sprintf("a pointer into the thread's cache at %#x", s.Cache.Addr)
	default:
		text = fmt.Sprintf("a pointer into the chunk at %#x of %#x bytes, %s", s.To.Addr, s.To.Size, s.To.State)
	}
	if s.Stale {
		text += ", left over"
	}
	return text
}
