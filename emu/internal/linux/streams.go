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

// room is how many bytes are still kept.
func (o output) room() int {
	n := o.k.Limits.Output
	for _, c := range o.reads(ObjectOutput, 0).Output {
		n -= len(c.Data)
	}
	return n
}

// add keeps what the calling thread prints.
func (o output) add(fd int, data []byte) {
	s := o.writes(ObjectOutput, 0)
	s.Output = append(s.Output, Chunk{FD: fd, Thread: o.r.thread, Data: append([]byte(nil), data...)})
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
