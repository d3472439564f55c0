from benchmarks.server.compare import main

main()
