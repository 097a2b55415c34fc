package linux

import "crypto/sha256"

// Chunk is one write to standard output (1) or error (2).
type Chunk struct {
	FD     int
	Thread int
	Data   []byte
}

// output is what the process has printed, as a system call sees it: standard output and
// error are one, since they meet on the terminal.
type output struct{ access }

func (k *Kernel) output(r *Result) output { return output{access{k, r}} }

// printed is a list of chunks, the last one first. It is only put a new one on, so that
// states can share it however long it gets.
type printed struct {
	chunk  Chunk
	before *printed
	kept   int    // bytes of all
	chunks int    // so many
	size   uint64 // bytes written, also those that were not kept
	writes int
}

// Output is what the process has printed, as far as that was kept, in order.
func (s *State) Output() []Chunk {
	if s.out == nil {
		return nil
	}
	list := make([]Chunk, s.out.chunks)
	n := len(list)
	for p := s.out; p != nil; p = p.before {
		if p.chunk.Data != nil {
			n--
			list[n] = p.chunk
		}
	}
	return list
}

// written is how many bytes the process has printed, in how many writes.
func (s *State) written() (size uint64, writes int) {
	if s.out == nil {
		return 0, 0
	}
	return s.out.size, s.out.writes
}

// room is how many bytes are still kept.
func (o output) room() int {
	s := o.reads(ObjectOutput, 0)
	if s.out == nil {
		return o.k.Limits.Output
	}
	return o.k.Limits.Output - s.out.kept
}

// add notes that the calling thread prints size bytes, of which data is kept.
func (o output) add(fd int, data []byte, size uint64) {
	s := o.writes(ObjectOutput, 0)
	p := printed{before: s.out}
	if s.out != nil {
		p = *s.out
		p.before, p.chunk = s.out, Chunk{}
	}
	p.size += size
	p.writes++
	if len(data) > 0 {
		p.chunk = Chunk{FD: fd, Thread: o.r.thread, Data: append([]byte(nil), data...)}
		p.kept += len(data)
		p.chunks++
	} else if s.out != nil {
		p.before, p.chunk = s.out.before, s.out.chunk // nothing to be put on
	}
	s.out = &p
	if p.size >= MaxOutput || p.writes >= MaxWrites {
		o.r.exceeds(OutputLimit)
	}
}

// pieceOfPrint is how many bytes are given to Print at a time.
const pieceOfPrint = 1 << 16

// pass gives what lies at addr to Print, and tells how many bytes could be read.
func (o output) pass(fd int, addr, size uint64) (passed uint64) {
	o.r.uses(ObjectOutput, 0, true)
	for passed < size {
		b, ok := o.k.readUpTo(o.r, addr+passed, min(size-passed, pieceOfPrint), pieceOfPrint)
		if !ok {
			break
		}
		o.k.Print(fd, b)
		passed += uint64(len(b))
	}
	return passed
}

// random is the sequence of random bytes, as a system call sees it.
type random struct{ access }

func (k *Kernel) random(r *Result) random { return random{access{k, r}} }

// block hands out the next 32 bytes: SHA-256 of the seed and a running number.
func (r random) block() []byte {
	s := r.writes(ObjectRandom, 0)
	sum := sha256.Sum256(twoWords(r.k.Seed, s.Random))
	s.Random++
	return sum[:]
}
