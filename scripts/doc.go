// Package scripts holds the scenarios that ship with emurace, and reads those of
// its users. They are written in the language of package stage; docs/writing-scenarios.md
// shows them.
package scripts
