from nsp_cli.cli import main

raise SystemExit(main())
