package diagnose

import "fmt"

// Fact is one thing that the core tells.
type Fact struct {
	Kind     Kind     `json:"kind"`
	Certain  bool     `json:"certain"` // else it is likely
	Text     string   `json:"text"`    // a sentence
	Evidence []string `json:"evidence,omitempty"`
	// Thread is who did or suffers it, 0 for nobody in particular.
	Thread uint32 `json:"thread,omitempty"`
}

// Kind is what a fact is about. The names are part of the JSON output.
type Kind string

// The kinds.
const (
	Death        Kind = "death" // the signal and the instruction
	InCall       Kind = "call"  // what the thread had called
	BadValue     Kind = "value" // what the value is that was used as an address
	Null         Kind = "null"  // NULL, or an offset from it
	Text         Kind = "text"  // the value is characters
	Overflow     Kind = "stack-overflow"
	WildJump     Kind = "wild-jump"
	FreedBlock   Kind = "freed-block"   // memory that was used after it was freed
	FreedBy      Kind = "freed-by"      // which thread has freed the block
	Reused       Kind = "reused-block"  // memory that was freed and handed out again
	Overrun      Kind = "overrun"       // a block was written beyond its end
	InHand       Kind = "in-hand"       // another thread is freeing the block at this moment
	OtherBlock   Kind = "block"         // which block an address lies in
	EnvironMoved Kind = "environ-moved" // environ is elsewhere than the array that a thread walks
	EnvironAdded Kind = "environ-added" // entries that the array did not have
	Whose        Kind = "whose"         // which thread a block belongs to
	Cause        Kind = "cause"         // the whole in a sentence
	Aborted      Kind = "abort"         // what the C library said when it gave up
	Assertion    Kind = "assertion"
	Uncaught     Kind = "uncaught-exception"
	PureVirtual  Kind = "pure-virtual"
	DoubleFree   Kind = "double-free"
	HeapDamaged  Kind = "heap-damaged"
	Waiting      Kind = "waits" // a thread waits for something
	Deadlock     Kind = "deadlock"
	Stuck        Kind = "stuck" // no thread can go on
	Where        Kind = "where" // where another thread is
)

// add takes a fact in.
func (d *Diagnosis) add(f Fact) { d.Facts = append(d.Facts, f) }

// certain and likely add a sentence with what it stands on.
func (d *Diagnosis) certain(kind Kind, thread uint32, evidence []string, format string, args ...any) {
	d.add(Fact{Kind: kind, Certain: true, Thread: thread, Evidence: evidence, Text: fmt.Sprintf(format, args...)})
}

func (d *Diagnosis) likely(kind Kind, thread uint32, evidence []string, format string, args ...any) {
	d.add(Fact{Kind: kind, Thread: thread, Evidence: evidence, Text: fmt.Sprintf(format, args...)})
}

// state adds a sentence that is certain or not.
func (d *Diagnosis) state(certain bool, kind Kind, thread uint32, evidence []string, format string, args ...any) {
	d.add(Fact{Kind: kind, Certain: certain, Thread: thread, Evidence: evidence, Text: fmt.Sprintf(format, args...)})
}

// gap notes what cannot be told, and why.
func (d *Diagnosis) gap(format string, args ...any) {
	d.Gaps = append(d.Gaps, fmt.Sprintf(format, args...))
}

// Has tells whether there is a fact of a kind, and the first one.
func (d *Diagnosis) Has(kind Kind) (Fact, bool) {
	for _, f := range d.Facts {
		if f.Kind == kind {
			return f, true
		}
	}
	return Fact{}, false
}
